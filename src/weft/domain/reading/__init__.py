"""What is asked about stored entities: browsing, searching, and places in long lists."""
