"""The rows of a root in SQLite: those of ended runs in a file that outlives us, those of the others in memory.

The file is derived: whoever finds it missing, broken or of another version makes it anew from the folders of runs.
Several processes use it at once. All of them read the same files, so it does not matter whose row is the last.
"""

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from ..disk.durable import folder_locked
from ..run.status import Summary
from .filters import (
    FACETS,
    TIE_BITS,
    Filters,
    Order,
    Place,
    conditions,
    created_ms,
    match_expression,
    order_of,
    words_of,
)
from .row import FILE_NAME, Row, StoreBlocked, StoreBroken

__all__ = ["Store", "open_store", "remove_store"]

# For another process that writes: its transactions take some 30 ms.
_BUSY_MS = 2000
# To begin with the write-ahead log waits for nobody.
_OPEN_TRIES, _OPEN_PAUSE_S = 5, 0.05
# Raised when rows of the same files would come out otherwise than before.
_REVISION = 1
_TIES = 1 << TIE_BITS
# Values of one facet: the most frequent ones.
_MAX_VALUES = 200
_REMEMBERED = 20
# Pages of the write-ahead log before they are brought into the file; more while a root is read for the first time.
_CHECKPOINT, _CHECKPOINT_AT_FIRST = 1000, 16_000

# Only a run that goes on has these, and those are shown from memory.
_NOT_KEPT = ("queue_position", "parked")
_SUMMARY = [f.name for f in fields(Summary) if f.name not in _NOT_KEPT]
_OBJECTS = [_SUMMARY.index(name) for name in ("labels", "fields")]  # JSON in the table
_COLUMNS = ", ".join(_SUMMARY)
_ALL = f"key, {_COLUMNS}, asked, stamps"
_FACET_FILTERS = {facet: "batch_id" if facet == "batch" else facet for facet in FACETS}
_values_of = attrgetter(*_SUMMARY)
_TABLE = f"(key INTEGER PRIMARY KEY, {_COLUMNS}, asked, stamps, UNIQUE (run_id))"
_INDEXED = {
    "facets": ", ".join(FACETS.values()),
    **{column: column for column in (*FACETS.values(), "reason", "thread_id", "schedule")},
    "cost": order_of("cost"),
    "duration": order_of("duration"),
}
_LABEL_TABLE = "(key INTEGER, name, value, PRIMARY KEY (key, name)) WITHOUT ROWID"
_FULL_TEXT = "USING fts5(run_text, asked_text, result_text, prefix='2', tokenize='unicode61 remove_diacritics 2')"
_PLAIN_TEXT = "(rowid INTEGER PRIMARY KEY, run_text, asked_text, result_text)"


class Store:
    """Tables `main` of ended runs and `temp` of the others. One thread at a time.

    :param folder: of the file, made if it is not there; None keeps everything in memory.
    :param full_text: None finds out whether this SQLite can.
    :raises StoreBroken: another file would do.
    :raises StoreBlocked: in memory only.
    """

    def __init__(self, folder: Path | None, *, full_text: bool | None = None) -> None:
        self.path = None if folder is None else folder / FILE_NAME
        self._db: sqlite3.Connection | None = None
        self._ended_writes = 0
        self._counted: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}  # of ended runs
        self._counted_at = (0, 0)
        with _broken_told():
            if folder is not None:
                folder.mkdir(mode=0o700, exist_ok=True)
            db = self._db = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                isolation_level=None,
                check_same_thread=False,
                timeout=_BUSY_MS / 1000,
            )
            self.full_text = _has_fts5(db) if full_text is None else full_text
            texts = f"VIRTUAL TABLE {{}}.texts {_FULL_TEXT}"
            if not self.full_text:
                texts = f"TABLE {{}}.texts {_PLAIN_TEXT}"
            schema = [
                f"CREATE TABLE {{}}.runs {_TABLE}",
                f"CREATE {texts}",
                f"CREATE TABLE {{}}.labels {_LABEL_TABLE}",
                "CREATE INDEX {}.keys_by_label ON labels (name, value, key)",
            ]
            schema += [
                f"CREATE INDEX {{}}.runs_by_{name} ON runs ({what})"
                for name, what in _INDEXED.items()
            ]
            version = crc32(f"{_REVISION} {schema}".encode()) & 0x7FFFFFFF
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA temp_store=MEMORY")
            if _version(db) != version:
                with self._transaction("IMMEDIATE"):
                    if _version(db) != version:  # nobody was quicker
                        if db.execute("SELECT count(*) FROM main.sqlite_master").fetchone()[0]:
                            raise StoreBroken("it is of another version")
                        for statement in schema:
                            db.execute(statement.format("main"))
                        db.execute(f"PRAGMA user_version={version}")
            for statement in schema:
                db.execute(statement.format("temp"))
            self._identity = self._stat()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def reads_first(self, first: bool) -> None:
        """Whether a root is being read for the first time."""
        with _broken_told():
            pages = _CHECKPOINT_AT_FIRST if first else _CHECKPOINT
            self._sql(f"PRAGMA wal_autocheckpoint={pages}")

    def is_current(self) -> bool:
        """Whether the file has not been removed or replaced."""
        return self._stat() == self._identity

    def run_ids(self) -> Iterator[str]:
        """Of all ended runs."""
        with _broken_told():
            for (run_id,) in self._sql("SELECT run_id FROM main.runs"):
                yield run_id

    def stamps(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Of those ended runs that have a row."""
        with _broken_told():
            marks = ", ".join("?" * len(run_ids))
            found = self._sql(
                f"SELECT run_id, stamps FROM main.runs WHERE run_id IN ({marks})", run_ids
            )
            return dict(found)

    def stamps_after(self, key: int, count: int) -> list[tuple[int, str, str]]:
        """Key, run id and stamps of the ended runs from a key on, upwards."""
        with _broken_told():
            return self._sql(
                "SELECT key, run_id, stamps FROM main.runs WHERE key > ? ORDER BY key LIMIT ?",
                (key, count),
            )

    def newest_stamps(self, count: int) -> list[tuple[int, str, str]]:
        """Of the newest ended runs."""
        with _broken_told():
            return self._sql(
                "SELECT key, run_id, stamps FROM main.runs ORDER BY key DESC LIMIT ?", (count,)
            )

    def keep_live(self, rows: Iterable[Row]) -> None:
        """Rows of runs that have not ended, in place of those they had."""
        with _broken_told(), self._transaction():
            for row in rows:
                self._put("temp", row)

    def keep_ended(self, rows: Sequence[Row], gone: Iterable[str] = ()) -> bool:
        """Rows of ended runs, also in place of those they had before their end, and of removed ones the end.

        False: another process keeps the file, or the disk is full. Nothing was kept then.
        """
        with _broken_told():
            try:
                with self._transaction("IMMEDIATE"):
                    self._ended_writes += 1
                    for run_id in gone:
                        self._drop("temp", run_id)
                        self._drop("main", run_id)
                    for row in rows:
                        self._drop("temp", row.summary.run_id)
                        self._put("main", row)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in _PASSING:
                    return False
                raise
            return True

    def rows(self, run_ids: Sequence[str]) -> dict[str, Row]:
        with _broken_told():
            found: dict[str, Row] = {}
            for start in range(0, len(run_ids), 500):
                part = run_ids[start : start + 500]
                marks = ", ".join("?" * len(part))
                for table in ("main", "temp"):
                    sql = f"SELECT {_ALL} FROM {table}.runs WHERE run_id IN ({marks})"
                    found |= {row.summary.run_id: row for _, row in map(_row, self._sql(sql, part))}
            return found

    def page(
        self, filters: Filters, order: Order, place: Place | None, limit: int
    ) -> list[tuple[int, Row]]:
        """Rows with their keys, of both tables, in order, from after a place on: `limit` of them, or fewer."""
        by_time = order in ("newest", "oldest")
        with _broken_told():
            found: dict[str, tuple[int, Row]] = {}
            for table in ("main", "temp"):
                read = self._by_time if by_time else self._by_value
                for key, row in read(table, filters, order, place, limit):
                    found[row.summary.run_id] = key, row
        rows = list(found.values())
        if by_time:
            rows.sort(key=lambda kr: (kr[0] >> TIE_BITS, kr[1].summary.run_id))
        else:
            rows.sort(key=lambda kr: (_value(order, kr[1].summary), kr[0]))
        if order != "oldest":
            rows.reverse()
        return rows[:limit]

    def counts(self, filters: Filters) -> dict[str, dict[str, int]]:
        """Of each facet how many runs have each value. What a facet itself is filtered by does not count for it."""
        groups = self._groups(filters)
        told: dict[str, dict[str, int]] = {}
        for place, facet in enumerate(FACETS):
            counted: Counter[str] = Counter()
            for group, count in groups.items():
                value = group[place]
                if value is not None and _passes(group, filters, but=facet):
                    counted[value] += count
            told[facet] = dict((+counted).most_common(_MAX_VALUES))
        return told

    def total(self, filters: Filters) -> int:
        """How many runs there are of that kind."""
        groups = self._groups(filters)
        return sum(count for group, count in groups.items() if _passes(group, filters))

    def _groups(self, filters: Filters) -> Counter[tuple[str | None, ...]]:
        """How many runs there are of each combination of what the facets have, of all that pass what is no facet."""
        others = Filters(**{k: v for k, v in filters.items() if k not in _FACET_FILTERS.values()})  # type: ignore[typeddict-item]
        columns = ", ".join(FACETS.values())
        with _broken_told():
            at = self._ended_writes, self._sql("PRAGMA main.data_version")[0][0]
            if at != self._counted_at or len(self._counted) > _REMEMBERED:
                self._counted_at = at
                self._counted.clear()
            where, values = self._where("main", others)
            asked = (where, *values)
            if asked not in self._counted:  # it takes some 20 ms in a large root
                sql = f"SELECT {columns}, count(*) FROM main.runs WHERE {where} GROUP BY {columns}"
                self._counted[asked] = self._sql(sql, values)
            # One that another process has seen the end of before us counts as what it is for us.
            sql = (
                f"SELECT {columns}, -1 FROM main.runs WHERE"
                f" run_id IN (SELECT run_id FROM temp.runs) AND {where}"
            )
            twice = self._sql(sql, values)
            where, values = self._where("temp", others)
            live = self._sql(f"SELECT {columns}, 1 FROM temp.runs WHERE {where}", values)
        groups: Counter[tuple[str | None, ...]] = Counter()
        for *group, count in (*self._counted[asked], *live, *twice):
            groups[tuple(group)] += count
        return groups

    def set_durations(self, durations: Iterable[tuple[float | None, str]]) -> None:
        """Of runs that go on."""
        with _broken_told(), self._transaction():
            assert self._db is not None
            self._db.executemany(
                "UPDATE temp.runs SET duration_s = ? WHERE run_id = ?", list(durations)
            )

    def figures(self, deployment: str) -> list[tuple[Any, ...]]:
        """(status, duration_s, cost_usd) of each run of a deployment."""
        with _broken_told():
            return [
                row
                for table in ("main", "temp")
                for row in self._sql(
                    f"SELECT status, duration_s, cost_usd FROM {table}.runs WHERE deployment = ?",
                    (deployment,),
                )
            ]

    def _by_time(
        self, table: str, filters: Filters, order: Order, place: Place | None, limit: int
    ) -> list[tuple[int, Row]]:
        """As many as the limit, and of the last moment all."""
        searches = self._searches(filters)
        key = "found.rowid" if searches else "runs.key"
        where, values = self._where(table, filters, key)
        newest = order == "newest"
        if place is not None:
            ms = int(place.value)
            first, last = ms << TIE_BITS, (ms + 1) << TIE_BITS
            if newest:
                where += f" AND {key} < ? AND ({key} < ? OR runs.run_id < ?)"
                values += [last, first, place.tie]
            else:
                where += f" AND {key} >= ? AND ({key} >= ? OR runs.run_id > ?)"
                values += [first, last, place.tie]
        # In this order: by its rowids, the text table gives the newest first without sorting.
        tables = f"{table}.texts AS found CROSS JOIN" if searches else ""
        on = "ON runs.key = found.rowid" if searches else ""
        sql = f"SELECT {_ALL} FROM {tables} {table}.runs AS runs {on} WHERE {where}"
        ordered = f"{sql} ORDER BY {key} {'DESC' if newest else 'ASC'} LIMIT ?"
        found = [_row(values) for values in self._sql(ordered, [*values, limit])]
        if len(found) == limit:
            # Runs of one moment are in the order of their ids, which the keys do not know.
            moment = found[-1][0] >> TIE_BITS
            found = [(key, row) for key, row in found if key >> TIE_BITS != moment]
            bounds = [moment << TIE_BITS, (moment + 1) << TIE_BITS]
            tied = self._sql(f"{sql} AND {key} >= ? AND {key} < ?", [*values, *bounds])
            found += [_row(values) for values in tied]
        return found

    def _by_value(
        self, table: str, filters: Filters, order: Order, place: Place | None, limit: int
    ) -> list[tuple[int, Row]]:
        where, values = self._where(table, filters)
        value = order_of(order)
        if place is not None:
            where += f" AND {value} <= ? AND ({value} < ? OR key < ?)"
            values += [place.value, place.value, int(place.tie)]
        sql = (
            f"SELECT {_ALL} FROM {table}.runs AS runs WHERE {where}"
            f" ORDER BY {value} DESC, key DESC LIMIT ?"
        )
        return [_row(values) for values in self._sql(sql, [*values, limit])]

    def _searches(self, filters: Filters) -> bool:
        return self.full_text and bool(words_of(filters.get("q") or ""))

    def _where(self, table: str, filters: Filters, key: str = "key") -> tuple[str, list[Any]]:
        """:param key: `found.rowid` where the text table is joined."""
        terms, values = conditions(filters, key)
        q = filters.get("q") or ""
        words = words_of(q)
        if q.strip() and not words:
            terms.append("0")  # no text has a word without a letter
        elif words and self.full_text:
            match = "found.texts MATCH ?"
            if key == "key":
                match = f"key IN (SELECT rowid FROM {table}.texts WHERE texts MATCH ?)"
            terms.append(match)
            values.append(match_expression(q))
        for name, value in filters.get("labels") or ():
            named = "name = ?" if value is None else "name = ? AND value = ?"
            terms.append(f"{key} IN (SELECT key FROM {table}.labels WHERE {named})")
            values += [name] if value is None else [name, value]
        for word in () if self.full_text else words:
            text = "run_text || ' ' || asked_text || ' ' || result_text"
            plain = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            terms.append(
                f"key IN (SELECT rowid FROM {table}.texts WHERE {text} LIKE ? ESCAPE '\\')"
            )
            values.append(f"%{plain}%")
        return " AND ".join(terms) or "1", values

    def _put(self, table: str, row: Row) -> None:
        summary = row.summary
        ms = created_ms(summary.created_at)
        known = self._sql(f"SELECT key FROM {table}.runs WHERE run_id = ?", (summary.run_id,))
        key = known[0][0] if known else None
        renew_texts = any(row.texts) or key is None
        if key is not None and (key >> TIE_BITS != ms or renew_texts):
            self._drop(table, summary.run_id)
            if key >> TIE_BITS != ms:
                key = None
        if key is None:
            key = self._free_key(table, ms, summary.run_id)
        values = (key, *_values_of(summary), row.asked, row.stamps)
        marks = ", ".join("?" * len(values))
        self._sql(
            f"INSERT OR REPLACE INTO {table}.runs ({_ALL}) VALUES ({marks})",
            [_plain(value) for value in values],
        )
        # Of a run that goes on they are what they were; one that was broken may have some only now.
        self._sql(f"DELETE FROM {table}.labels WHERE key = ?", (key,))
        for name, value in summary.labels.items():
            self._sql(f"INSERT INTO {table}.labels VALUES (?, ?, ?)", (key, name, value))
        if renew_texts:
            self._sql(
                f"INSERT INTO {table}.texts (rowid, run_text, asked_text, result_text) VALUES (?, ?, ?, ?)",
                (key, summary.run_id, *map(_plain, row.texts)),
            )

    def _free_key(self, table: str, ms: int, run_id: str) -> int:
        tie = crc32(run_id.encode()) % _TIES
        while True:
            key = ms << TIE_BITS | tie
            if not self._sql(f"SELECT 1 FROM {table}.runs WHERE key = ?", (key,)):
                return key
            tie = (tie + 1) % _TIES

    def _drop(self, table: str, run_id: str) -> None:
        for (key,) in self._sql(f"SELECT key FROM {table}.runs WHERE run_id = ?", (run_id,)):
            self._sql(f"DELETE FROM {table}.texts WHERE rowid = ?", (key,))
            self._sql(f"DELETE FROM {table}.labels WHERE key = ?", (key,))
            self._sql(f"DELETE FROM {table}.runs WHERE key = ?", (key,))

    @contextlib.contextmanager
    def _transaction(self, kind: str = "DEFERRED") -> Iterator[None]:
        self._sql(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._sql("ROLLBACK")
            raise
        self._sql("COMMIT")

    def _sql(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._db is None:
            raise StoreBroken("it is closed")
        return self._db.execute(sql, values).fetchall()

    def _stat(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_dev, stat.st_ino


def _passes(group: tuple[str | None, ...], filters: Filters, but: str = "") -> bool:
    for value, (facet, name) in zip(group, _FACET_FILTERS.items(), strict=True):
        wanted: object = filters.get(name)
        if wanted is None or facet == but:
            continue
        if value not in ((wanted,) if isinstance(wanted, str) else wanted):  # type: ignore[operator]
            return False
    return True


def open_store(folder: Path, *, full_text: bool | None = None) -> Store:
    """The store in the file of that folder; a new file where that can't be used, and none where no file can."""
    for _ in range(_OPEN_TRIES):
        try:
            return _open_file(folder, full_text)
        except StoreBlocked:
            time.sleep(_OPEN_PAUSE_S)  # others begin to use it at this moment
        except (StoreBroken, OSError):
            break
    return Store(None, full_text=full_text)


def _open_file(folder: Path, full_text: bool | None) -> Store:
    try:
        return Store(folder, full_text=full_text)
    except StoreBroken:
        with folder_locked(folder):
            try:
                return Store(folder, full_text=full_text)  # another process has thrown it away
            except StoreBroken:
                remove_store(folder)
                return Store(folder, full_text=full_text)


def remove_store(folder: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(folder / f"{FILE_NAME}{suffix}")


_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
_BLOCKED = (
    *_PASSING,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
)


@contextlib.contextmanager
def _broken_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        raise (StoreBlocked if code in _BLOCKED else StoreBroken)(str(error)) from error
    except OSError as error:
        raise StoreBlocked(str(error)) from error


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _has_fts5(db: sqlite3.Connection) -> bool:
    options = {name for (name,) in db.execute("PRAGMA compile_options")}
    return "ENABLE_FTS5" in options


def _row(values: tuple[Any, ...]) -> tuple[int, Row]:
    key, *summary, asked, stamps = values
    for column in _OBJECTS:
        told = summary[column]
        summary[column] = orjson.loads(told) if told else {}
    return key, Row(Summary(*summary), asked, stamps)


def _plain(value: Any) -> Any:
    """Lone surrogates, which JSON may hold, are nothing that SQLite takes; nor are objects."""
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode() if value else None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode(errors="replace").decode()
    return value


def _value(order: Order, summary: Summary) -> float:
    value = summary.cost_usd if order == "cost" else summary.duration_s
    return -1.0 if value is None else value
