"""Database: connections, pools, and what its errors mean."""
