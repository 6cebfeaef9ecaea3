"""Names of files and folders that are never read."""

from pathlib import Path

import pytest

from weft.sources.secret_names import (
    SECRET_FILES,
    SECRET_FOLDERS,
    is_git_folder,
    is_secret_file,
    is_secret_folder,
)

PAGE = Path(__file__).parents[3] / "docs/sources/files.md"


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".ENV", ".env.local", ".envrc", ".netrc", ".git-credentials", ".git"),
        *("id_rsa", "id_rsa.bak", "id_ed25519", "server.pem", "a.KEY", "a.p8", "a.p12", "a.pfx"),
        *("a.keystore", "vault.kdbx", ".htpasswd", ".my.cnf", ".vault-token", ".dockercfg"),
        *(".docker/config.json", ".Docker/Config.json", "gh/hosts.yml", ".m2/settings.xml"),
        *("gcloud/application_default_credentials.json", "credentials.json"),
        *(".cargo/credentials", ".cargo/credentials.toml", ".terraform.d/credentials.tfrc.json"),
        *("terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", "kubeconfig"),
        *("service-account.json", "service-account-prod.json", "client_secret_1.json"),
        *(".bash_history", ".zsh_history", ".python_history", "fish_history"),
        *("ConsoleHost_history.txt", "bare.git/config", "secrets.yaml", ".npmrc", ".pypirc"),
        *(".env~", ".env-prod", ".env.local.bak", ".envrc.local", "prod.env", "kubeconfig-prod"),
        *(".claude/.credentials.json", ".claude.json", ".gemini/oauth_creds.json"),
        *(".cursor/mcp.json", ".huggingface/token", ".cache/huggingface/token", "clouds.yaml"),
        *(".kaggle/kaggle.json", ".config/hub", ".config/github-copilot/hosts.json"),
        *(".config/github-copilot/apps.json", ".dockerconfigjson", ".curlrc", ".wgetrc"),
        *(".msmtprc", ".sentryclirc", ".fly/config.yml", ".railway/config.json"),
        *(".config/sops/age/keys.txt", ".snowflake/connections.toml", ".smbcredentials"),
        *("etc/wireguard/wg0.conf", "kubeconfig.yaml", "ssh_host_rsa_key", ".vault_pass.txt"),
        *("etc/shadow", "sftp-config.json", "wp-config.php", ".bundle/config", ".Xauthority"),
        *(".config/helm/repositories.yaml", ".config/configstore/firebase-tools.json"),
    ],
)
def test_file_that_may_hold_a_secret_is_known(path: str) -> None:
    folder, _, name = path.rpartition("/")
    folder = folder.rpartition("/")[2]
    assert is_secret_file(name, folder)


@pytest.mark.parametrize(
    "path",
    [
        *("id_rsa.pub", "environment.py", "keys.md", "monkey", "env", "config.json", "hosts.yml"),
        *("ansible/hosts.yml", "docker/config.json", "settings.xml", "history.md", "config"),
        *("credentials.md", "service.json", "secrets.md", "main.tf", ".cargo/config.toml"),
        *(".docker/Dockerfile", "state.md", "client.json", "package.json", "auth.md"),
        *(
            "mcp.json",
            "token",
            "hub",
            "keys.txt",
            "docs/hub",
            "environment",
            "a.conf",
            ".claude/x.md",
        ),
    ],
)
def test_harmless_file_is_let_through(path: str) -> None:
    folder, _, name = path.rpartition("/")
    assert not is_secret_file(name, folder)


@pytest.mark.parametrize("name", [".ssh", ".SSH", ".kube", ".terraform.d", "legacy_credentials"])
def test_folder_of_keys_is_known(name: str) -> None:
    assert is_secret_folder(name)


@pytest.mark.parametrize("name", ["docs", "ssh", ".docker", ".cargo", ".config", "src"])
def test_harmless_folder_is_let_through(name: str) -> None:
    assert not is_secret_folder(name)


def test_repository_without_work_tree_is_known_by_what_is_in_it() -> None:
    assert is_git_folder(("hooks", "objects", "refs"), ("HEAD", "config"))
    assert not is_git_folder(("objects", "refs"), ("config",))
    assert not is_git_folder(("objects",), ("HEAD", "config"))


def test_every_name_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*SECRET_FOLDERS, *SECRET_FILES) if f"`{name}`" not in page] == []
