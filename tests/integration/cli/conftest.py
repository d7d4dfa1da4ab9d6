from homes import cli, days_later, granted_home, home, people, templates

__all__ = ["cli", "days_later", "granted_home", "home", "people", "templates"]
