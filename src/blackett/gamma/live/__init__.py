"""Live use: a RadiaCode on USB or Bluetooth (or an emulated one), identified second by second.

`session` is the front: it joins the device, the recording and the analysis, and publishes one
`messages.Update` a second. Nothing here changes what the device has counted.
"""
