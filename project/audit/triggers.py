"""The database's own word: what is in the audit log is not changed, and goes only when it is old.

An UPDATE raises. A DELETE raises unless the row is older than the days of its organization; of
none, or of one that is gone: `DAYS`. PostgreSQL's TRUNCATE and SQLite's INSERT OR REPLACE raise.

SQLite drops triggers with a table that Django makes anew, and cannot make a table anew that a
trigger speaks of. So a migration that changes `AuditEntry` or `Organization` begins with
`RunPython(take_down, put_up)` and ends with `RunPython(put_up, take_down)`;
`tests/project/audit/test_triggers.py` fails where it was forgotten.
"""

from __future__ import annotations

from typing import Any

DAYS = 365
DAYS_LEAST = 30  # whatever the organization's row was made to say
SAYS = "The audit log is append-only."

_SQLITE = f"""
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit_auditentry
BEGIN SELECT RAISE(ABORT, '{SAYS}'); END;
--
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit_auditentry
WHEN EXISTS (SELECT 1 FROM audit_auditentry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, '{SAYS}'); END;
--
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit_auditentry
WHEN OLD.at >= strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || max({DAYS_LEAST}, coalesce(
  (SELECT audit_days FROM accounts_organization WHERE id = OLD.organization_id), {DAYS}
)) || ' days')
BEGIN SELECT RAISE(ABORT, '{SAYS}'); END;
"""  # nosec B608  # made of the constants above

_POSTGRES = f"""
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.at < now() - make_interval(days => greatest({DAYS_LEAST}, coalesce(
      (SELECT audit_days FROM accounts_organization WHERE id = OLD.organization_id), {DAYS}
    ))) THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION '{SAYS}' USING ERRCODE = 'integrity_constraint_violation';
END $$;
--
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
FOR EACH ROW EXECUTE FUNCTION audit_append_only();
--
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""  # nosec B608  # made of the constants above

NAMES = {
    "sqlite": ("audit_no_update", "audit_no_replace", "audit_no_delete"),
    "postgresql": ("audit_no_change", "audit_no_truncate"),
}


def put_up(apps: Any, schema_editor: Any) -> None:
    """Make the triggers, in place of any that are there. For `RunPython`."""
    take_down(apps, schema_editor)
    script = _SQLITE if schema_editor.connection.vendor == "sqlite" else _POSTGRES
    for statement in script.split("--\n"):
        schema_editor.execute(statement.strip(), params=None)


def take_down(apps: Any, schema_editor: Any) -> None:
    """Remove the triggers, where there are any. For `RunPython`."""
    vendor = schema_editor.connection.vendor
    on = " ON audit_auditentry" if vendor == "postgresql" else ""
    for name in NAMES[vendor]:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on}", params=None)
    if vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS audit_append_only()", params=None)
