"""The URLs of the portal."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:overview")),
    path("v1/", include("batches.dialects.openai.urls")),
    path("api/accounting/v1/", include("batches.dialects.merge.urls")),
    path("accounting/v1/", include("batches.dialects.merge.urls")),
    path("openai/v1/", include("batches.dialects.novita.urls")),
    path("openai/", include("batches.dialects.openai.urls")),
    path("groq/openai/v1/", include("batches.dialects.openai.urls")),
    path("bifrost/v1/", include("batches.dialects.bifrost.urls")),
    path("api/", include("batches.api.urls")),
    path("", include("batches.dialects.anthropic.urls")),
    path("console/", include("batches.console.account.urls")),
    path("console/", include("batches.console.urls")),
    path("admin/", admin.site.urls),
]
handler404 = "config.answers.errors.page_not_found"
handler500 = "config.answers.errors.server_error"
