from homes import cli, granted_home, home, people, templates

__all__ = ["cli", "granted_home", "home", "people", "templates"]
