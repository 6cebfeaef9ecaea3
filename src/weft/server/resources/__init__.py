"""Resources, their completion, and the notifications when they change."""
