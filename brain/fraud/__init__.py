"""What the gateway thinks about fraud: cases, the flow of a decision, alerts and their delivery, drift."""
