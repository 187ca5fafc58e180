"""Turns that outlive their callers: kept event by event, so that whoever lost the stream finds it again."""
