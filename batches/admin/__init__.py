"""The admin: rows to look at, and what support staff keep. Everything is done through the same services as elsewhere."""

from django.contrib import admin

from batches.admin import batch, bulk, errors, people, projects, providers, records, secrets, stops

__all__ = ["batch", "bulk", "errors", "people", "projects", "providers", "records", "secrets", "stops"]

admin.site.site_header = "Batchyard"
admin.site.site_title = "Batchyard admin"
admin.site.index_title = "Rows of the database"
admin.site.site_url = "/console/"
admin.site.enable_nav_sidebar = False  # the console has none, and lists need the room
