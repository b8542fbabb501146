"""HTTP below the routes: connections, and what comes over them before anything is asked."""
