"""Static files under names that carry their content's hash, so browsers may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also rewrites the imports between ES modules, which Django does only when asked."""

    support_js_module_import_aggregation = True
