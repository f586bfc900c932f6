"""The app: its own endpoints over the services, for people who have signed in, and the built files of frontend/."""
