#!/bin/sh
# What the suite needs of the system: installed where one may, else named. Nothing is skipped.
set -eu
want=""
PATH="$PATH:/usr/sbin" # where Debian keeps nginx
need() { command -v "$1" >/dev/null 2>&1 || want="$want $2"; }
need redis-server redis-server
need chromium chromium
need ffmpeg ffmpeg
need nginx nginx-light
need openssl openssl
need promtool prometheus
need cc "gcc libc6-dev"
need systemd-analyze systemd
need setpriv util-linux
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || want="$want postgresql"
if ! /usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer', '1.0')" >/dev/null 2>&1; then
	want="$want python3-gi gir1.2-gst-rtsp-server-1.0"
fi
for plugin in h264parse:gstreamer1.0-plugins-bad rtph264pay:gstreamer1.0-plugins-good fdsrc:gstreamer1.0-plugins-base; do
	/usr/bin/python3 - "${plugin%%:*}" >/dev/null 2>&1 <<-'PYTHON' || want="$want ${plugin##*:}"
		import sys, gi
		gi.require_version("Gst", "1.0")
		from gi.repository import Gst
		Gst.init(None)
		sys.exit(Gst.ElementFactory.find(sys.argv[1]) is None)
	PYTHON
done
if command -v node >/dev/null 2>&1; then
	# 18.18 is the first with --import, and Debian 12 has a later one.
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 18 || (a == 18 && b >= 18) ? 0 : 1)' ||
		{ echo "The suite needs Node 18.18 or newer; this is $(node --version)." >&2; exit 1; }
else
	want="$want nodejs"
fi
for extra in "$@"; do need "$extra" "$extra"; done
[ -n "$want" ] || exit 0
run=""
[ "$(id -u)" = 0 ] || run="sudo -n"
if command -v apt-get >/dev/null 2>&1 && { [ -z "$run" ] || sudo -n true 2>/dev/null; }; then
	echo "Installing from Debian:$want"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# shellcheck disable=SC2086 - a list of words is meant
	if $run apt-get update -q >"$log" 2>&1 && $run apt-get install -y -q --no-install-recommends $want >>"$log" 2>&1; then
		rm -f "$log"
		exit 0
	fi
	tail -n 20 "$log" >&2
fi
echo "The suite needs these Debian packages:$want" >&2
echo "Install them with: sudo apt-get install$want" >&2
exit 1
