"""The rows of a root: one view of all its runs, kept between starts in a file that is derived from them."""

from .filters import ORDERS, Filters, Order
from .run_index import Counts, Page, RunIndex, list_runs

__all__ = ["ORDERS", "Counts", "Filters", "Order", "Page", "RunIndex", "list_runs"]
