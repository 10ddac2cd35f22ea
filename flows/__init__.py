"""When and where a search runs, is scheduled, compared, exported."""
