/** The environment of the browser and the driver. They visit foreign pages and therefore get none of this program's secrets. */

/**
 * Names of the variables that a browser, its driver or a script around them reads. `LC_*` means all names that begin with `LC_`. Upper and
 * lower case are the same.
 */
const PASSED_VARIABLES = [
  // Paths and user
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', '__CF_USER_TEXT_ENCODING'],
  // Language and time
  ...['LANG', 'LANGUAGE', 'LC_*', 'LOCALE_ARCHIVE', 'TZ', 'TZDIR'],
  // Display, desktop and input; Chromium takes the system's proxy from the desktop's settings.
  ...['DISPLAY', 'WAYLAND_DISPLAY', 'WAYLAND_SOCKET', 'XAUTHORITY', 'XDG_*', 'XCURSOR_*', 'XMODIFIERS', 'IBUS_*'],
  ...[
    'DESKTOP_SESSION',
    'KDE_*',
    'GNOME_*',
    'DBUS_SESSION_BUS_ADDRESS',
    'GTK_*',
    'GDK_*',
    'GSETTINGS_*',
    'GIO_*',
    'QT_*',
  ],
  // Fonts and sound
  ...['FONTCONFIG_*', 'FREETYPE_PROPERTIES', 'PULSE_*', 'PIPEWIRE_*', 'ALSA_*'],
  // Graphics
  ...[
    'LIBGL_*',
    'MESA_*',
    'GALLIUM_DRIVER',
    'DRI_PRIME',
    'VK_*',
    'EGL_*',
    '__EGL_*',
    '__GLX_*',
    'LIBVA_*',
    'VDPAU_DRIVER',
  ],
  // Network, sign-on by Kerberos, certificates
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY', 'NO_PROXY', 'AUTO_PROXY', 'SOCKS_PROXY', 'SOCKS_SERVER'],
  ...[
    'SOCKS_VERSION',
    'RES_OPTIONS',
    'KRB5CCNAME',
    'KRB5_CONFIG',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'NSS_*',
    'SSLKEYLOGFILE',
  ],
  // Libraries and packages
  ...['LD_LIBRARY_PATH', 'LD_PRELOAD', 'DYLD_*', 'NIX_*', 'NIXOS_OZONE_WL', 'SNAP', 'SNAP_*'],
  // Variables of the browser itself
  ...['FLAGS', 'USER_FLAGS', 'DEVEL_SANDBOX', 'WRAPPER', 'CONFIG_HOME', 'LOG_FILE'].flatMap((name) => [
    `CHROME_${name}`,
    `CHROMIUM_${name}`,
  ]),
];
const PASSED_NAMES: ReadonlySet<string> = new Set(PASSED_VARIABLES.filter((name) => !name.endsWith('*')));
const PASSED_PREFIXES = PASSED_VARIABLES.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
/** The end of names of secrets of the desktop's session, such as `XDG_SESSION_COOKIE` or `SNAP_COOKIE`. */
const SECRET_SUFFIX = '_COOKIE';

/** Returns the variables of `from` (default: this process's environment) that a browser may get, overridden by `additions`. */
export function browserEnvironment(
  additions: Readonly<Record<string, string | undefined>>,
  from: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const passed = Object.entries(from).filter(([name]) => isPassedOn(name.toUpperCase()));
  return { ...Object.fromEntries(passed.map(([name, value]) => [name, withoutPassword(name, value)])), ...additions };
}

function isPassedOn(name: string): boolean {
  if (name.endsWith(SECRET_SUFFIX)) return false;
  return PASSED_NAMES.has(name) || PASSED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Removes user and password from the address of a proxy. Chromium does not use them (measured), so they would only be exposed. */
function withoutPassword(name: string, value = ''): string {
  // The URL of a configuration file has a path, which may contain an @. In other URLs a password before the last @ may contain a slash.
  if (/^auto_proxy$/i.test(name)) return value.replace(/^([\w+.-]+:\/\/)[^/?#]*@/, '$1');
  return /_(PROXY|SERVER)$/i.test(name) ? value.replace(/^([\w+.-]+:\/\/)?.*@/s, '$1') : value;
}
