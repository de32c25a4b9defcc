"""Static files with a content hash in their names, which browsers may cache without limit."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also rewrites imports between ES modules, which Django does not do by default."""

    support_js_module_import_aggregation = True
