"""What Celery's consumer is changed to: which messages it takes, and when."""
