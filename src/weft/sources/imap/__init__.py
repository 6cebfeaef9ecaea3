"""The `imap` source: the messages of a mailbox."""
