"""Database triggers that make the audit log append-only.

An UPDATE raises. A DELETE raises unless the row is older than its organization's retention, or
`DEFAULT_DAYS` if there is no such organization. PostgreSQL's TRUNCATE and SQLite's INSERT OR
REPLACE raise.

On SQLite, Django rebuilds a table to change it. That drops the table's triggers, and fails while a
trigger of another table refers to it. So a migration that changes `AuditEntry` or `Organization`
must begin with `RunPython(drop_triggers, create_triggers)` and end with the reverse;
`tests/project/audit/test_triggers.py` fails if it does not.
"""

from __future__ import annotations

from typing import Any

DEFAULT_DAYS = 365
MIN_DAYS = 30  # even if the organization's row has less
MESSAGE = "The audit log is append-only."

_SQLITE = f"""
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit_auditentry
BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END;
--
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit_auditentry
WHEN EXISTS (SELECT 1 FROM audit_auditentry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END;
--
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit_auditentry
WHEN OLD.at >= strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || max({MIN_DAYS}, coalesce(
  (SELECT audit_days FROM accounts_organization WHERE id = OLD.organization_id), {DEFAULT_DAYS}
)) || ' days')
BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END;
"""  # nosec B608  # contains only the constants above

_POSTGRES = f"""
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.at < now() - make_interval(days => greatest({MIN_DAYS}, coalesce(
      (SELECT audit_days FROM accounts_organization WHERE id = OLD.organization_id), {DEFAULT_DAYS}
    ))) THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
END $$;
--
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
FOR EACH ROW EXECUTE FUNCTION audit_append_only();
--
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""  # nosec B608  # contains only the constants above

NAMES = {
    "sqlite": ("audit_no_update", "audit_no_replace", "audit_no_delete"),
    "postgresql": ("audit_no_change", "audit_no_truncate"),
}


def create_triggers(apps: Any, schema_editor: Any) -> None:
    """Create the triggers; replace existing ones. For `RunPython`."""
    drop_triggers(apps, schema_editor)
    script = _SQLITE if schema_editor.connection.vendor == "sqlite" else _POSTGRES
    for statement in script.split("--\n"):
        schema_editor.execute(statement.strip(), params=None)


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    """Drop the triggers if they exist. For `RunPython`."""
    vendor = schema_editor.connection.vendor
    on = " ON audit_auditentry" if vendor == "postgresql" else ""
    for name in NAMES[vendor]:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on}", params=None)
    if vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS audit_append_only()", params=None)
