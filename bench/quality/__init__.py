"""Quality of forecasts: the crypto benchmark, its peers, and tuning on earlier origins."""
