"""The guarded way to the network: client, addresses, URLs and dates."""
