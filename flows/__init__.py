"""When and where a search runs, is scheduled, exported."""
