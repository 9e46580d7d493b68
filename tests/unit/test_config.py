"""Settings: the order of their sources, every problem at once, nothing ignored, no secret shown."""

from pathlib import Path

import pytest

from goutube.config import FIELDS, effective, is_loopback, load, split_address
from goutube.errors import ConfigError
from goutube.limits import MIB


def problems_of(flags=None, file=None, environ=None):
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, file, environ or {})
    return caught.value.message


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "goutube.toml"
        path.write_text(text)
        return path

    return write


def test_the_documented_defaults():
    config = load({}, None, {}).config
    assert (config.bind_addr, config.rpc_port, config.seed_addresses) == (
        "0.0.0.0:7946",
        "127.0.0.1:7373",
        (),
    )
    assert (config.virtual_node_count, config.hash_function, config.member_type) == (
        256,
        "xxh64",
        "shard",
    )
    assert config.node_name
    assert (config.data_dir, config.fsync) == (Path("goutube-data"), "always")


def test_flags_beat_environment_beats_file_beats_default(toml):
    file = toml('rpc_port = "1"\nhttp_port = "2"\nlog_level = "debug"\n')
    environ = {"GOUTUBE_RPC_PORT": "3", "GOUTUBE_HTTP_PORT": "4", "GOUTUBE_LOG_LEVEL": ""}
    loaded = load({"rpc_port": "5", "http_port": None}, file, environ)
    assert {name: (value, source) for name, value, source in effective(loaded)}.items() >= {
        "rpc_port": ("127.0.0.1:5", "--rpc-port"),
        "http_port": ("127.0.0.1:4", "GOUTUBE_HTTP_PORT"),
        "log_level": ("debug", str(file)),
        "shard_count": ("64", "default"),
    }.items()


def test_the_go_servers_spellings_are_understood(toml):
    file = toml(
        'BindAddr = "127.0.0.1:1"\nRPCPort = 9000\nNodeName = "n1"\nSeedAddresses = []\n'
        'VirtualNodeCount = 7\nHashFunction = "md5"\nMemberType = "ShardMember"\n'
    )
    config = load({}, file, {}).config
    assert (config.bind_addr, config.rpc_port, config.node_name) == (
        "127.0.0.1:1",
        "127.0.0.1:9000",
        "n1",
    )
    assert (config.virtual_node_count, config.hash_function, config.member_type) == (
        7,
        "md5",
        "shard",
    )


def test_every_problem_is_told_at_once(toml):
    file = toml('bind_adr = "x"\nhash_function = "md6"\nfsync = "never"\n')
    text = problems_of(
        {"virtual_node_count": "0"}, file, {"GOUTUBE_HTTP_PORT": "0.0.0.0:80", "GOUTUBE_ZONE": "a"}
    )
    for part in (
        "unknown setting 'bind_adr'; did you mean 'bind_addr'?",
        "hash_function = 'md6'",
        "must be 'xxh64', 'md5' or 'murmur3'",
        "virtual_node_count = '0' (from --virtual-node-count)",
        "fsync is not built yet in this release",
        "zone is not built yet in this release",
        "set insecure = true",
    ):
        assert part in text
    assert text.count("; ") >= 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("member_type", "LoadBalancerMember"),
        ("member_type", "replica"),
        ("fsync", "interval"),
        ("zone", "z"),
        ("acl_model_file", "m"),
        ("server_tls_cert_file", "c"),
        ("peer_tls_ca_file", "c"),
    ],
)
def test_what_is_not_built_is_refused_by_name(name, value):
    text = problems_of({name: value})
    assert f"{name} is not built yet in this release" in text


def test_a_key_that_is_none_is_refused_and_not_shown():
    text = problems_of({"encrypt_keys": "c2VjcmV0"})
    assert "must be keys of 16, 24 or 32 bytes in base64" in text
    assert "c2VjcmV0" not in text


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"seed_addresses": "10.0.0.1"}, "must be HOST:PORT"),
        ({"seed_addresses": "10.0.0.1:0"}, "a member's port is never 0"),
        ({"seed_addresses": "10.0.0.1:7946"}, "leads nowhere from there"),
        ({"seed_addresses": "seeds.example:7946"}, "advertise_rpc_addr"),
    ],
)
def test_seeds_that_cannot_work_are_refused(flags, part):
    assert part in problems_of(flags)


def test_seeds_that_can_work():
    flags = {"seed_addresses": "10.0.0.1:7946, n2:1", "advertise_rpc_addr": "10.0.0.9:7373"}
    assert load(flags, None, {}).config.seed_addresses == ("10.0.0.1:7946", "n2:1")
    assert load({"seed_addresses": "127.0.0.1:7946"}, None, {}).config.seed_addresses


def test_open_gossip_is_warned_about():
    flags = {"rpc_port": "0.0.0.0:1", "insecure": "true"}
    assert "without encrypt_keys" in load(flags, None, {}).warnings[1]
    assert len(load({**flags, "bind_addr": "127.0.0.1:1"}, None, {}).warnings) == 1


def test_every_setting_that_is_not_built_is_refused():
    samples = {"member_type": "replica", "fsync": "never", "tags": "a=b"}
    for field in FIELDS:
        if not field.built:
            text = problems_of({field.name: samples.get(field.name, "10.0.0.1:1")})
            assert "not built yet" in text, field.name


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("rpc_port", "127.0.0.1", "HOST:PORT"),
        ("rpc_port", "127.0.0.1:70000", "0 to 65535"),
        ("rpc_port", "::1:7373", "in brackets"),
        ("rpc_port", "a b:1", "host name"),
        ("rpc_port", "tcp://10.0.0.1:7373", "enableServiceLinks"),
        ("node_name", "a/b", "letters"),
        ("node_name", "", "letters"),
        ("record_bytes_max", "17MiB", "16777216"),
        ("record_bytes_max", "many", "1MiB"),
        ("max_chunk_size", "0", "greater"),
        ("insecure", "perhaps", "boolean"),
        ("member_type", "boss", "'shard'"),
        ("lame_duck_ms", "-1", "0"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(name, value, part):
    text = problems_of({name: value})
    assert text.startswith(f"{name} = {value!r} (from --{name.replace('_', '-')})")
    assert part in text


def test_addresses_beyond_this_machine_need_insecure():
    for name in ("rpc_port", "http_port"):
        for value in ("0.0.0.0:1", "10.0.0.1:1", "[::]:1", "example.org:1"):
            assert "insecure" in problems_of({name: value})
            load({name: value, "insecure": "true"}, None, {})
        for value in ("127.0.0.1:1", "[::1]:1", "localhost:1", "7"):
            load({name: value}, None, {})
    assert load({"rpc_port": "0.0.0.0:1", "insecure": "true"}, None, {}).warnings
    assert load({"http_port": "off"}, None, {}).config.http_port == "off"


def test_unknown_variables_only_warn():
    warnings = load({}, None, {"GOUTUBE_PORT_7373_TCP": "x", "GOUTUBE_RPC_PRT": "1"}).warnings
    assert len(warnings) == 2
    assert "did you mean 'GOUTUBE_RPC_PORT'?" in warnings[1]
    assert not load({}, None, {"GOUTUBE_SERVER": "x", "OTHER": "1"}).warnings


def test_bad_files_are_named(toml, tmp_path):
    assert "is not TOML" in problems_of(file=toml("rpc_port = "))
    assert "cannot be read: No such file" in problems_of(file=tmp_path / "none")
    assert "cannot be read: Is a directory" in problems_of(file=tmp_path)
    assert "set already" in problems_of(file=toml('rpc_port = "1"\nRPCPort = "2"\n'))


def test_sizes_take_units(toml):
    loaded = load({"segment_bytes": "8MiB"}, toml("journal_bytes = 1048576"), {})
    assert (loaded.config.segment_bytes, loaded.config.journal_bytes) == (8 * MIB, MIB)


def test_fields_describe_every_setting():
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    for field in FIELDS:
        assert field.help.endswith("."), field.name
        assert field.flag == "--" + field.name.replace("_", "-")
    by_name = {field.name: field for field in FIELDS}
    assert by_name["seed_addresses"].aliases == ("--start-join-addrs",)
    assert by_name["insecure"].switch
    assert by_name["encrypt_keys"].secret
    assert not by_name["zone"].built


def test_addresses_split():
    assert split_address("[::1]:7373") == ("::1", 7373)
    assert is_loopback("127.1.2.3:1")
    assert not is_loopback("127.0.0.1.example.org:1")
