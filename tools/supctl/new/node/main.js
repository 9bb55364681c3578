// @NAME@: a plugin for supd. All that there is to use is in supd.js.
'use strict'
const supd = require('supd')
