"""The remote backend: Airweave's HTTP API, or another Weft's."""
