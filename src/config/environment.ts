/** The environment of the programs that this one starts: browser and driver. They visit other people's pages, and see none of our secrets. */

/**
 * Variables that a browser, its driver or a script around them reads: paths and user, language and time, display, sound and fonts,
 * graphics, proxies, certificates, libraries, and Debian's own `CHROMIUM_FLAGS`. Chromium takes the system's proxy from the desktop's.
 */
const PASSED_ON =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_\w+|DESKTOP_SESSION|KDE_\w+|GNOME_\w+|DBUS_SESSION_BUS_ADDRESS|GTK_\w+|QT_\w+|FONTCONFIG_\w+|PULSE_\w+|ALSA_\w+|LIBGL_\w+|MESA_\w+|VK_\w+|EGL_\w+|LIBVA_\w+|(HTTP|HTTPS|FTP|ALL|NO|AUTO|SOCKS)_(PROXY|SERVER)|SSL_CERT_(FILE|DIR)|NSS_\w+|SSLKEYLOGFILE|LD_LIBRARY_PATH|LD_PRELOAD|DYLD_\w+|CHROM(E|IUM)_(FLAGS|USER_FLAGS|DEVEL_SANDBOX|WRAPPER|CONFIG_HOME|LOG_FILE)|SNAP(_\w+)?|__CF_USER_TEXT_ENCODING)$/i;

/** What of `from`, by default this process's environment, a browser sees, with `additions` over it. */
export function browserEnvironment(
  additions: Readonly<Record<string, string | undefined>>,
  from: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const passed = Object.entries(from).filter(([name]) => PASSED_ON.test(name));
  return { ...Object.fromEntries(passed), ...additions };
}
