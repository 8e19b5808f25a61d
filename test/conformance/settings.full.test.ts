import { compareSessions } from './compare.ts';
import { settingsBodies } from './settings.ts';

compareSessions('Settings', settingsBodies);
