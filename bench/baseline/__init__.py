"""What the figures are held against, measured in the same run on the same server."""
