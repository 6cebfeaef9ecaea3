"""The names of files and folders that usually hold credentials; sources never read them.

`docs/sources/files.md` lists them; a test keeps it complete.
"""

import os
import re
from collections.abc import Collection
from fnmatch import translate
from typing import Final

SECRET_FOLDERS: Final = (
    *(".ssh", ".gnupg", ".password-store", "keyrings", "keychains"),
    *(".aws", ".azure", ".kube", ".oci", ".terraform.d", "legacy_credentials"),
    *(".git", ".hg", ".svn", ".subversion"),
)
# A pattern with a slash also names the file's folder.
SECRET_FILES: Final = (
    *(".env", ".env.*", ".env-*", ".env~", "*.env", ".envrc", ".envrc.*"),
    *("secrets.json", "secrets.toml", "secrets.yaml", "secrets.yml"),
    *(".netrc", "_netrc", ".git-credentials", ".htpasswd", ".htdigest", ".vault-token"),
    *(".pgpass", "pgpass.conf", ".my.cnf", ".mylogin.cnf", ".databrickscfg"),
    *(".npmrc", ".pypirc", "auth.json", ".m2/settings*.xml", ".gradle/gradle.properties"),
    *("credentials", "credentials.csv", "credentials.db", "credentials.json", "credentials.toml"),
    *("credentials.xml", "credentials.yaml", "credentials.yml", "credentials.tfrc.json"),
    *("application_default_credentials.json", "access_tokens.db", "client_secret*.json"),
    *("service-account*.json", "service_account*.json", "serviceaccount*.json"),
    *("*firebase-adminsdk*.json", "*accesskeys.csv", ".boto", ".s3cfg", "rclone.conf"),
    *(".dockercfg", ".docker/config.json", "gh/hosts.yml", "glab-cli/config.yml"),
    *("doctl/config.yaml", "kubeconfig*", "*.kubeconfig", "clouds.yaml"),
    *(".claude/.credentials.json", ".claude.json", ".gemini/oauth_creds.json", ".cursor/mcp.json"),
    *("huggingface/token", ".huggingface/token", ".kaggle/kaggle.json", ".config/hub"),
    *("github-copilot/hosts.json", "github-copilot/apps.json", ".dockerconfigjson", ".sentryclirc"),
    *(".curlrc", ".wgetrc", ".msmtprc", ".smbcredentials", ".fly/config.yml"),
    *(".railway/config.json", "age/keys.txt", ".snowflake/connections.toml", "wireguard/*.conf"),
    *(".terraformrc", "terraform.rc", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "secring.*"),
    *("*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.bks", "*.keystore"),
    *("*.kdb", "*.kdbx", "*.ovpn", "*.git/config"),
    *("ssh_host_*_key", "shadow", "gshadow", ".vault_pass*", "vault_pass*", "vault-pass*"),
    *("sftp-config.json", ".ftpconfig", ".remote-sync.json", "wp-config.php", ".credentials"),
    *(".snowsql/config", "op/config", ".bundle/config", "netlify/config.json"),
    *(".netlify/config.json", "configstore/firebase-tools.json", ".rclone.conf"),
    *("helm/repositories.yaml", ".age/key*.txt", "age-key*.txt", ".fetchmailrc", ".xauthority"),
    *(".*history*", "fish_history", "consolehost_history.txt", ".viminfo"),
)
_GIT_FOLDERS: Final = {"objects", "refs"}
_SECRET_FILE: Final = re.compile("|".join(map(translate, SECRET_FILES)))


def is_secret_folder(name: str) -> bool:
    """Return whether a folder of that name usually holds keys."""
    return _fold(name) in SECRET_FOLDERS


def is_secret_file(name: str, folder: str = "") -> bool:
    """Return whether a file with that name and that parent folder usually holds a secret.

    Public keys are allowed.
    """
    folded = _fold(name)
    if folded.endswith(".pub"):
        return False
    if folded in SECRET_FOLDERS or _SECRET_FILE.match(folded):
        return True
    return bool(folder and _SECRET_FILE.match(f"{_fold(folder)}/{folded}"))


def is_git_folder(folders: Collection[str], files: Collection[str]) -> bool:
    """Return whether a folder with these names in it is a repository without a work tree.

    Its `config` may hold a password, and its own name may be anything.
    """
    return "HEAD" in files and set(folders) >= _GIT_FOLDERS


def _fold(name: str) -> str:
    folded = name.casefold()
    # Windows reads `.env.`, `.env ` and `.env::$DATA` as `.env`.
    return folded.split(":")[0].rstrip(". ") if os.name == "nt" else folded
