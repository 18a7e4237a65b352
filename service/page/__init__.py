"""Operators' page: what a browser needs to show the fleet.

assets/        index.html, app.css and app.js with the modules that it imports: plain files, without
               a build step. All are served below one path that has the hash of all of them, so
               modules import one another by relative paths, and browsers keep them for ever.
library.py     uPlot, which draws the plots, from the package that brings it
files.py       reads all of that once, and packs it; routes.py answers with it
session.py     signing in by a key, which a cookie then carries (service/keys/cookie.py)
changes.py     what changed, asked of the database by one poller per worker, while somebody listens
events.py      GET /v1/events: tells a browser of that

Files of assets/ may have in them {{root}}, the path prefix behind a proxy; index.html also
{{assets}}, where the others are, {{library}}, the tags of uPlot (none where it is missing), and
{{version}}.
"""
