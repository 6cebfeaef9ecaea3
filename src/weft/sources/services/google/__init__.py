"""The services of Google: Drive and Gmail."""
