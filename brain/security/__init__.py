"""Who may ask what, and how often: API keys, sessions, hosts and origins, rate limits."""
