"""What a program is worth: tasks, scorers, sandbox, model gateway, pools."""
