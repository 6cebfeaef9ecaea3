"""State that the parts share: facts from answers in memory, and notes that outlive the process."""
