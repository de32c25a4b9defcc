"""The suite itself: what its other tests rely on."""
