#!/usr/bin/python3
# apt: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad} ; usage: gst_rtsp_loop.py FILE.mp4 [port] [path] [user:password]
import sys, gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib

Gst.init(None)
f = sys.argv[1]
port = sys.argv[2] if len(sys.argv) > 2 else "8554"
path = sys.argv[3] if len(sys.argv) > 3 else "/cam"
import subprocess, os


class F(GstRtspServer.RTSPMediaFactory):
    def do_create_element(self, url):
        # one ffmpeg per pass, paced by -re, no re-encode; raw Annex-B down one pipe, stamped on arrival, so the loop seam is invisible
        # (Debian 12's ffmpeg 5.1 `-stream_loop -1 -c copy` stops after the first pass on some MP4s: do not rely on it)
        cmd = 'while :; do ffmpeg -v error -nostdin -re -i "$0" -an -c:v copy -bsf:v h264_mp4toannexb -f h264 -flush_packets 1 pipe:1 || break; done'
        self.p = subprocess.Popen(
            ["bash", "-c", cmd, f], stdout=subprocess.PIPE, start_new_session=True
        )
        return Gst.parse_launch(
            f"( fdsrc fd={self.p.stdout.fileno()} do-timestamp=true ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )

    def do_configure(self, media):
        media.set_reusable(False)
        media.connect("unprepared", lambda m: os.killpg(self.p.pid, 9))


s = GstRtspServer.RTSPServer()
s.set_address("127.0.0.1")
s.set_service(port)
fa = F()
fa.set_shared(True)
if len(sys.argv) > 4:
    user, _, password = sys.argv[4].partition(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    s.set_auth(auth)
    fa.set_permissions(permissions)
s.get_mount_points().add_factory(path, fa)
s.attach(None)
print(f"rtsp://127.0.0.1:{port}{path}", flush=True)
GLib.MainLoop().run()
