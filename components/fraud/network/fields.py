"""The 41 fields of a connection as NSL-KDD describes it, and the classes of its attacks.

Names and meaning are those of the KDD Cup 1999 task; the set is Tavallaee, Bagheri, Lu and Ghorbani, "A detailed
analysis of the KDD CUP 99 data set" (2009). Its `difficulty` tells how many classifiers got a row right and is not a
field.
"""

from collections.abc import Mapping

from components.fraud.raw_fields import RawField

PROTOCOLS = ("tcp", "udp", "icmp")

FLAGS = ("SF", "S0", "REJ", "RSTR", "RSTO", "S1", "SH", "S2", "RSTOS0", "S3", "OTH")

_SERVICES = (
    "IRC X11 Z39_50 aol auth bgp courier csnet_ns ctf daytime discard domain domain_u echo eco_i ecr_i efs exec "
    "finger ftp ftp_data gopher harvest hostnames http http_2784 http_443 http_8001 imap4 iso_tsap klogin kshell "
    "ldap link login mtp name netbios_dgm netbios_ns netbios_ssn netstat nnsp nntp ntp_u other pm_dump pop_2 pop_3 "
    "printer private red_i remote_job rje shell smtp sql_net ssh sunrpc supdup systat telnet tftp_u tim_i time "
    "urh_i urp_i uucp uucp_path vmnet whois"
)

SERVICES = tuple(_SERVICES.split())
"""The 70 services of the training part, `other` among them: a service that is not listed counts as that."""

_TWO_SECONDS = "in the last two seconds"
_HUNDRED = "of the last 100 connections to the host"

FIELDS: tuple[RawField, ...] = (
    RawField("duration", "connection lasted {value} second{s}", "amount"),
    RawField("protocol_type", "protocol", "category", categories=PROTOCOLS),
    RawField("service", "service", "category", categories=SERVICES),
    RawField("flag", "state of the connection", "category", categories=FLAGS),
    RawField("src_bytes", "{value} byte{s} sent"),
    RawField("dst_bytes", "{value} byte{s} received"),
    RawField("land", "source and destination are the same", "flag"),
    RawField("wrong_fragment", "{value} wrong fragment{s}"),
    RawField("urgent", "{value} urgent packet{s}"),
    RawField("hot", "{value} access{s} to sensitive places"),
    RawField("num_failed_logins", "{value} failed login{s}"),
    RawField("logged_in", "logged in", "flag"),
    RawField("num_compromised", "{value} compromised condition{s}"),
    RawField("root_shell", "obtained a root shell", "flag"),
    RawField("su_attempted", "{value} attempt{s} to become root"),
    RawField("num_root", "{value} operation{s} as root"),
    RawField("num_file_creations", "{value} file creation{s}"),
    RawField("num_shells", "{value} shell prompt{s}"),
    RawField("num_access_files", "{value} operation{s} on access control files"),
    # Zero in every row that was ever published: nothing can be learned from it.
    RawField("num_outbound_cmds", kind="unused"),
    RawField("is_host_login", "login of a host account", "flag"),
    RawField("is_guest_login", "login of a guest", "flag"),
    RawField("count", f"{{value}} connection{{s}} to the same host {_TWO_SECONDS}"),
    RawField("srv_count", f"{{value}} connection{{s}} to the same service {_TWO_SECONDS}"),
    RawField("serror_rate", "{value} of connections to the host with SYN errors", "rate"),
    RawField("srv_serror_rate", "{value} of connections to the service with SYN errors", "rate"),
    RawField("rerror_rate", "{value} of connections to the host rejected", "rate"),
    RawField("srv_rerror_rate", "{value} of connections to the service rejected", "rate"),
    RawField("same_srv_rate", "{value} of connections to the host go to this service", "rate"),
    RawField("diff_srv_rate", "{value} of connections to the host go to other services", "rate"),
    RawField("srv_diff_host_rate", "{value} of connections to the service go to other hosts", "rate"),
    RawField("dst_host_count", "{value} of the last 100 connections came to the same host"),
    RawField("dst_host_srv_count", "{value} of the last 100 connections came to the same host and service"),
    RawField("dst_host_same_srv_rate", f"{{value}} {_HUNDRED} go to this service", "rate"),
    RawField("dst_host_diff_srv_rate", f"{{value}} {_HUNDRED} go to other services", "rate"),
    RawField("dst_host_same_src_port_rate", f"{{value}} {_HUNDRED} come from the same port", "rate"),
    RawField("dst_host_srv_diff_host_rate", f"{{value}} {_HUNDRED} and service come from other hosts", "rate"),
    RawField("dst_host_serror_rate", f"{{value}} {_HUNDRED} had SYN errors", "rate"),
    RawField("dst_host_srv_serror_rate", f"{{value}} {_HUNDRED} and service had SYN errors", "rate"),
    RawField("dst_host_rerror_rate", f"{{value}} {_HUNDRED} were rejected", "rate"),
    RawField("dst_host_srv_rerror_rate", f"{{value}} {_HUNDRED} and service were rejected", "rate"),
)

ATTACK_CLASSES = ("normal", "dos", "probe", "r2l", "u2r")
"""Normal traffic, denial of service, probing, remote to local, user to root; the order of `class_probabilities`."""

_ATTACKS = {
    "dos": "apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm",
    "probe": "ipsweep mscan nmap portsweep saint satan",
    "r2l": "ftp_write guess_passwd imap multihop named phf sendmail snmpgetattack snmpguess spy warezclient "
    "warezmaster worm xlock xsnoop",
    "u2r": "buffer_overflow httptunnel loadmodule perl ps rootkit sqlattack xterm",
}

CLASS_OF_ATTACK: Mapping[str, str] = {
    "normal": "normal",
    **{attack: attack_class for attack_class, attacks in _ATTACKS.items() for attack in attacks.split()},
}
"""The grouping whose counts on KDDTest+ are published as 7,458 DoS, 2,421 probe, 2,754 R2L and 200 U2R."""
