"""Ask the person in front of the client, in both protocol eras."""
