"""Deadlines that fire by themselves: who serves which shard, when to wake, applying what is due. See docs/clock.md."""
