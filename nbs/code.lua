-- nbdev links every name of the package that stands in backticks, within code too, where a link cannot be shown.
function CodeBlock(block)
  block.text = block.text:gsub("%[(`[^`]+`)%]%(https?://[^)]+%)", "%1")
  return block
end
