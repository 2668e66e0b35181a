"""Results as text for the terminal, a file for each verb."""
