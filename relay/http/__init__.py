"""What HTTP words mean here: problems, models, who may come in, paths that stay inside, runs by their id."""
