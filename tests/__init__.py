"""The tests, a package so that their helpers have one name from everywhere."""
