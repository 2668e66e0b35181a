"""Heads that are fitted in one go: logistic regression, support vector machines, ridge, nearest neighbours."""
