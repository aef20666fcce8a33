"""The admin: pages for reading all tables, and for changing the rows that support staff maintain.

Every change goes through the same services as elsewhere. This package knows services and filters. Start with `scope`, which
narrows every page to its reader's projects.
"""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.views.generic import RedirectView

from batches.admin import batch, bulk, errors, people, projects, providers, records, secrets, stops
from batches.admin.front import grouped, with_latest_acts

__all__ = ["batch", "bulk", "errors", "people", "projects", "providers", "records", "secrets", "stops"]

admin.site.site_header = "Batchyard"
admin.site.site_title = "Batchyard admin"
admin.site.index_title = "Administration"
admin.site.get_app_list = grouped(admin.site.get_app_list)  # type: ignore[method-assign]
admin.site.index = with_latest_acts(admin.site.index)  # type: ignore[assignment, method-assign]
admin.site.site_url = "/console/"
admin.site.enable_nav_sidebar = False  # the console has none, and lists need the space
# The admin uses the console's pages for signing in, signing out and changing a password.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign, no-untyped-call]
admin.site.logout = RedirectView.as_view(pattern_name="account_logout")  # type: ignore[assignment, method-assign]
admin.site.password_change = RedirectView.as_view(pattern_name="account_change_password")  # type: ignore[assignment, method-assign]
