"""History as files: readings, hours and sessions, streamed in bounded memory.

subjects.py  what can be exported, of which devices, and the names that its columns get
history.py   rows of it, read window by window in few snapshots of the database
formats.py   CSV and NDJSON        parquet.py  Parquet, where the extra of that name is installed
place.py     the file: whole under its name, or not there
"""
