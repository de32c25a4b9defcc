"""Lists, a page at a time."""

from rest_framework.pagination import CursorPagination


class ByCursor(CursorPagination):
    """Newest last; a cursor stays right while rows come and go. `?limit=` up to 200."""

    ordering = ("created_at", "pk")
    page_size_query_param = "limit"
    max_page_size = 200
