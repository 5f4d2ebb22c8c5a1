"""Card transactions: events, their fold, the same over a whole history, a simulator and the Handbook's set."""
